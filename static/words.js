// What scripts say, in the reader's language: pages in any but English bring the words along. Loaded before the others.
const language = document.documentElement.lang || undefined;
const translated = JSON.parse(document.getElementById("words")?.textContent ?? "{}");
const shown = (value) => (typeof value === "number" ? value.toLocaleString(language) : value);

// `english` with what stands in braces filled in, numbers as the language writes them.
globalThis.inWords = (english, values = {}) =>
  (translated[english] ?? english).replace(/\{(\w+)\}/g, (_, name) => shown(values[name]));

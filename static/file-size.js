// A file that is too large for its form is refused before it is sent: by then the site would answer without reading it,
// and some browsers show no more than that the connection broke. The browser itself says why, and sends nothing.
const sizeOf = (bytes) => (bytes < 1e6 ? inWords("{size} kB", { size: Math.ceil(bytes / 1e3) }) : inWords("{size} MB", { size: Math.ceil(bytes / 1e5) / 10 }));

for (const input of document.querySelectorAll("form:not(.generate) input[type=file][data-most-bytes]")) {
  input.addEventListener("change", () => {
    const [file] = input.files;
    const most = Number(input.dataset.mostBytes);
    const words = file && file.size > most ? inWords("{name} is {size}. Use a file of at most {most}.", { name: file.name, size: sizeOf(file.size), most: sizeOf(most) }) : "";
    input.setCustomValidity(words);
    input.reportValidity();
  });
}

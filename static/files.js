// Pictures that a clip starts from are shown once they are chosen, and can be pasted. Dropping works without this.
const form = document.querySelector("form.generate");

function show(input) {
  const zone = input.closest(".drop");
  zone.querySelector("img")?.remove();
  const [file] = input.files;
  if (!file?.type.startsWith("image/")) return;
  const reader = new FileReader();
  reader.addEventListener("load", () => {
    zone.append(Object.assign(document.createElement("img"), { src: reader.result, alt: "" }));
  });
  reader.readAsDataURL(file); // the page's policy lets it show data, and no blobs
}

form.addEventListener("change", ({ target }) => {
  if (target.type === "file") show(target);
});
form.addEventListener("paste", (event) => {
  const input = [...form.querySelectorAll("[type=file]:enabled")].find((one) => one.accept.includes("image/") && !one.files.length);
  if (!input || !event.clipboardData.files[0]?.type.startsWith("image/")) return;
  event.preventDefault();
  input.files = event.clipboardData.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});

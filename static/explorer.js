// Swagger UI over this site's own contract. Its files are served from here, and nothing of it leaves the site.
const place = document.getElementById("explorer");

globalThis.SwaggerUIBundle({
  url: place.dataset.contract,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  persistAuthorization: false,
  withCredentials: false,
});

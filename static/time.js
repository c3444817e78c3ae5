// Times in the reader's own zone and language. Without this they stand there in UTC.
const UNITS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];
const REFRESH_MILLISECONDS = 30000;
const language = document.documentElement.lang;
const { hourCycle } = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions();
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const FORMATS = {
  moment: new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", hourCycle }),
  day: new Intl.DateTimeFormat(language, { dateStyle: "medium" }),
  clock: new Intl.DateTimeFormat(language, { timeStyle: "short", hourCycle }),
};

function ago(at) {
  const seconds = (at - Date.now()) / 1000;
  const unit = UNITS.find(([, length]) => Math.abs(seconds) >= length);
  return unit ? relative.format(Math.trunc(seconds / unit[1]), unit[0]) : "just now";
}

function show(element) {
  const at = new Date(element.dateTime);
  const format = FORMATS[element.dataset.as];
  const words = format ? format.format(at) : ago(at);
  if (element.textContent !== words) element.textContent = words;
  if (!format) element.title = FORMATS.moment.format(at);
}

function showAll() {
  for (const element of document.querySelectorAll("time[data-as]")) show(element);
}

showAll();
setInterval(() => document.hidden || showAll(), REFRESH_MILLISECONDS);

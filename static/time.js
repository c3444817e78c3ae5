// Times in the reader's own zone and language. Without this they stand there in UTC.
const UNITS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];
const REFRESH_MILLISECONDS = 30000;
const language = document.documentElement.lang;
const locale = language === "en" ? "en-GB" : language; // the day before the month, as the server writes it
const { hourCycle } = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions();
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const ZONED = { hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
const FORMATS = {
  moment: new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", hourCycle }),
  zoned: new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric", ...ZONED, hourCycle }),
  day: new Intl.DateTimeFormat(locale, { dateStyle: "medium" }),
  clock: new Intl.DateTimeFormat(locale, { ...ZONED, hourCycle }),
};

function ago(at) {
  const seconds = (at - Date.now()) / 1000;
  const unit = UNITS.find(([, length]) => Math.abs(seconds) >= length);
  return unit ? relative.format(Math.trunc(seconds / unit[1]), unit[0]) : language === "en" ? "just now" : relative.format(0, "second");
}

function show(element) {
  const at = new Date(element.dateTime);
  const format = FORMATS[element.dataset.as];
  const words = format ? format.format(at) : ago(at);
  if (element.textContent !== words) element.textContent = words;
  if (element.dataset.as !== "zoned") element.title = FORMATS.zoned.format(at);
}

function showAll() {
  for (const element of document.querySelectorAll("time[data-as]")) show(element);
}

showAll();
setInterval(() => document.hidden || showAll(), REFRESH_MILLISECONDS);
new MutationObserver(showAll).observe(document.body, { childList: true, subtree: true }); // what comes later

// Dates, as the rules of edgesoft/tables/values.py have them: a field holds "2021-04-30", "2021-04-30T13:30" or "13:30", whatever the
// training data's order was.

const CLOCK = String.raw`(?<hour>\d{1,2}):(?<minute>\d\d)(?::\d\d(?:\.\d+)?)?`;
const DAY = String.raw`(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)`;
const TIME = new RegExp(`^${CLOCK}$`);
const DATE = new RegExp(`^${DAY}(?:[T ]${CLOCK})?$`);
const LAST = { month: 12, day: 31, weekday: 7 };
const SOME_YEARS = 28; // in which every day of the year falls on every day of the week

const hasDay = ({ parts }) => parts.some((part) => part !== "hour");
const hasHour = ({ parts }) => parts.includes("hour");
const isReadInPart = (column) => hasDay(column) && !["year", "month", "day"].every((part) => column.parts.includes(part));
const twoDigits = (x) => String(x).padStart(2, "0");

// An hour as a clock shows it: 13.5 is 13:30. Seconds do not count.
function clock(hour) {
  const minutes = Math.round(60 * hour);
  return `${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`;
}

// The range of a part; none where it is all that there is.
function dateHint(part, first, last) {
  const [start, end] = part === "hour" ? [clock(first), clock(last)] : [first, last];
  const isAll = start === 1 && end === LAST[part];
  return isAll ? "" : `${part} ${start === end ? start : `${start} to ${end}`}`;
}

// A browser's fields for times end at 23:59. Where training saw 24:00 the field is one of text.
function dateField(column) {
  const isLate = hasHour(column) && column.ranges !== null && column.ranges.at(-1)[1] >= 24;
  if (isLate) {
    return { type: "text" };
  }
  if (!hasDay(column)) {
    return { type: "time" };
  }
  return hasHour(column) ? { type: "datetime-local", max: "9999-12-31T23:59" } : { type: "date", max: "9999-12-31" };
}

function expectedDate(column) {
  const example = [hasDay(column) ? "2021-04-30" : "", hasHour(column) ? "13:30" : ""].join(" ").trim();
  const what = hasDay(column) ? (hasHour(column) ? "a date and time" : "a date") : "a time";
  return dateField(column).type === "text" ? `${what} such as ${example}` : what;
}

// The numbers of what stands in a field; NaN where it is no day or no time of day.
function readDate(column, text) {
  const found = (hasDay(column) ? DATE : TIME).exec(text)?.groups ?? { month: NaN };
  const [year, month, day] = [found.year ?? 2000, found.month ?? 1, found.day ?? 1].map(Number);
  const [hour, minute] = [found.hour ?? 0, found.minute ?? 0].map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day); // which the constructor would not do before the year 100
  const isRight = year > 0 && date.getUTCMonth() === month - 1 && hour <= 24 && minute <= 59;
  const values = { year, month, day, weekday: date.getUTCDay() || 7, hour: hour + minute / 60 };
  return column.parts.map((part) => (isRight ? Math.fround(values[part]) : NaN));
}

// What a field holds for these numbers: the first day that has them; "" where none has, as of medians in the place of a missing date.
function writtenDate(column, numbers) {
  const given = Object.fromEntries(column.parts.map((part, place) => [part, numbers[place]]));
  const all = (first, count) => Array.from({ length: count }, (_, i) => first + i);
  const time = hasHour(column) ? clock(given.hour) : "";
  const isIt = (text) => readDate(column, text).every((x, place) => x === numbers[place]);
  if (!hasDay(column)) {
    return isIt(time) ? time : "";
  }
  for (const year of given.year === undefined ? all(2000, SOME_YEARS) : [given.year]) {
    for (const month of given.month === undefined ? all(1, 12) : [given.month]) {
      for (const day of given.day === undefined ? all(1, 31) : [given.day]) {
        const text = [`${String(year).padStart(4, "0")}-${twoDigits(month)}-${twoDigits(day)}`, time].filter(Boolean).join("T");
        if (isIt(text)) {
          return text;
        }
      }
    }
  }
  return "";
}

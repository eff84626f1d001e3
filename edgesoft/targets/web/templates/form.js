// A row of a table: one field for each column, and the rules of edgesoft/tables/spec.py.

const { columns, reach, largest } = MODEL.input;
const MOST_NOTES = 5;
const OTHER = "(another value)"; // which are also the values of their fields, beside 0, 1, 2, ... for those of the training
const MISSING = "(missing)";

// What can be chosen for a column: values of the field, and what is shown for them. None where a number is asked for.
function choices({ kind, vocabulary, is_marked: isMarked, fill }) {
  const numbered = (words) => words.map((word, place) => [String(place), word]);
  switch (kind) {
    case "text": return [...numbered(vocabulary), ...(isMarked ? [[MISSING, MISSING]] : []), [OTHER, OTHER]];
    case "boolean": return [...numbered(["no", "yes"]), ...(fill === null ? [] : [[MISSING, MISSING]])];
    default: return [];
  }
}

const isTyped = ({ kind }) => kind === "numeric" || kind === "date";

function expected(column) {
  return column.kind === "date" ? expectedDate(column) : "a number";
}

function hintOf(column) {
  const { kind, parts, ranges, unit, fill } = column;
  const any = expected(column).replace(/^an? /, "any ");
  const seen = ([first, last], place) => (kind === "date" ? dateHint(parts[place], first, last) : `${first} to ${last}`);
  const saw = ranges === null ? any : `training: ${ranges.map(seen).filter(Boolean).join(", ") || any}`;
  const read = kind === "date" && isReadInPart(column) ? `; read as its ${parts.join(", ")}` : "";
  return `${saw}${unit ? ` (${unit})` : ""}${read}${fill === null ? "" : "; may be missing"}`;
}

const FIELDS = columns.map((column, index) => {
  const row = made("p", column.kind === "date" ? "field wide" : "field");
  const name = made("label", "");
  const field = made(isTyped(column) ? "input" : "select", "");
  field.id = name.htmlFor = `field${index}`;
  name.append(made("bdi", "", column.name));
  for (const [value, shown] of choices(column)) {
    const option = made("option", "", shown);
    option.value = value;
    field.append(option);
  }
  if (isTyped(column)) {
    field.autocomplete = "off";
    Object.assign(field, column.kind === "date" ? dateField(column) : { type: "number", step: "any" });
    const hint = made("span", "hint", hintOf(column));
    field.setAttribute("aria-describedby", (hint.id = `hint${index}`));
    name.append(hint);
  }
  field.addEventListener("input", answerForm);
  field.addEventListener("keyup", answerForm); // a date of which only a part is there is no input
  field.addEventListener("change", announce);
  row.append(name, field);
  element("fields").append(row);
  return field;
});

// The shortest decimal that is this float32.
function decimal(x) {
  let digits = 1;
  while (Math.fround(Number(x.toPrecision(digits))) !== x) {
    digits++;
  }
  return String(Number(x.toPrecision(digits)));
}

// As edgesoft writes numbers in its remarks.
const shortened = (x) => String(Number(x.toPrecision(6)));

const widthOf = ({ kind, vocabulary, parts, is_marked: isMarked }) => (kind === "text" ? vocabulary : parts).length + Number(isMarked);

function fillForm(features) {
  let place = 0;
  columns.forEach((column, index) => {
    const part = features.subarray(place, (place += widthOf(column)));
    const isMissing = column.is_marked && part.at(-1) === 1;
    if (isMissing) {
      FIELDS[index].value = isTyped(column) ? "" : MISSING;
    } else if (column.kind === "text") {
      FIELDS[index].value = part.includes(1) ? String(part.indexOf(1)) : OTHER;
    } else {
      FIELDS[index].value = column.kind === "date" ? writtenDate(column, part) : decimal(part[0]);
    }
  });
}

// The features of one field; NaN where there should be a number and is none.
function featuresOf(column, { value }) {
  const isMissing = value === MISSING || value === "";
  const mark = column.is_marked ? [Number(isMissing && (column.kind === "text" || column.fill !== null))] : [];
  if (column.kind === "text") {
    return [...column.vocabulary.map((_, place) => Number(value === String(place))), ...mark];
  }
  if (isMissing) {
    return [...(column.fill ?? column.parts.map(() => NaN)).map(Math.fround), ...mark];
  }
  return [...(column.kind === "date" ? readDate(column, value) : [Math.fround(Number(value))]), ...mark];
}

// What is odd about the numbers of one field, and whether any lies far outside what training saw of it.
function notesOn({ name, parts, ranges }, features) {
  const notes = [];
  let isFar = false;
  for (const [place, range] of reach === null ? [] : (ranges ?? []).entries()) {
    const [first, last] = range.map(Math.fround);
    const beyond = reach * (last - first);
    if (features[place] < first - beyond || features[place] > last + beyond) {
      const far = `${[name, parts[place]].filter(Boolean).join(" ")} ${shortened(features[place])}: training saw`;
      notes.push(first === last ? `${far} only ${shortened(first)}, so the model ignores it` : `${far} ${range.map(shortened).join(" to ")}`);
      isFar ||= first < last;
    }
  }
  return { notes, isFar };
}

// The features of what stands in the form; or `missing`, which says what does not.
function readForm() {
  const features = [];
  const others = [];
  const notes = [];
  const missing = [];
  let isFar = false;
  columns.forEach((column, index) => {
    const field = FIELDS[index];
    const part = featuresOf(column, field);
    const isWrong = !part.every((x) => Math.abs(x) <= largest) || Boolean(field.validity.badInput);
    if (isWrong) {
      missing.push(`${column.name}: expected ${expected(column)}`);
    } else if (field.value === OTHER) {
      others.push(`${column.name} is not among the values seen in training: read as none of them`);
    } else {
      const found = notesOn(column, part);
      isFar ||= found.isFar;
      notes.push(...found.notes);
    }
    features.push(...part);
    field.setAttribute("aria-invalid", String(isWrong));
  });
  const warnings = [...others, ...notes];
  if (warnings.length > MOST_NOTES) {
    warnings.splice(MOST_NOTES, Infinity, `and ${warnings.length - MOST_NOTES} more such features`);
  }
  const isUnfamiliar = isFar || 2 * others.length >= columns.length;
  return { features: Float32Array.from(features), missing, context: { warnings, isUnfamiliar } };
}

function answerForm() {
  const { features, missing, context } = readForm();
  if (missing.length) {
    const more = missing.length - 1;
    show(null, `${missing[0]}${more ? `; and ${more} more` : ""}`);
  } else {
    show(answer(features, context));
  }
}

element("form").addEventListener("submit", (event) => event.preventDefault());
fillForm(goldenInput(0));
answerForm();

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

function hintOf({ range, unit, fill }) {
  const saw = range === null ? "any number" : `training: ${range[0]} to ${range[1]}`;
  return `${saw}${unit ? ` (${unit})` : ""}${fill === null ? "" : "; may be missing"}`;
}

const FIELDS = columns.map((column, index) => {
  const row = made("p", "field");
  const name = made("label", "");
  const field = made(column.kind === "numeric" ? "input" : "select", "");
  field.id = name.htmlFor = `field${index}`;
  name.append(made("bdi", "", column.name));
  for (const [value, shown] of choices(column)) {
    const option = made("option", "", shown);
    option.value = value;
    field.append(option);
  }
  if (column.kind === "numeric") {
    [field.type, field.step, field.autocomplete] = ["number", "any", "off"];
    const hint = made("span", "hint", hintOf(column));
    field.setAttribute("aria-describedby", (hint.id = `hint${index}`));
    name.append(hint);
  }
  field.addEventListener("input", answerForm);
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

const widthOf = ({ kind, vocabulary, is_marked: isMarked }) => (kind === "text" ? vocabulary.length : 1) + Number(isMarked);

function fillForm(features) {
  let place = 0;
  columns.forEach((column, index) => {
    const part = features.subarray(place, (place += widthOf(column)));
    const isMissing = column.is_marked && part.at(-1) === 1;
    if (isMissing) {
      FIELDS[index].value = column.kind === "numeric" ? "" : MISSING;
    } else if (column.kind === "text") {
      FIELDS[index].value = part.includes(1) ? String(part.indexOf(1)) : OTHER;
    } else {
      FIELDS[index].value = decimal(part[0]);
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
  return [Math.fround(isMissing ? column.fill ?? NaN : Number(value)), ...mark];
}

function numberNote(column, value) {
  if (column.kind !== "numeric" || column.range === null || reach === null) {
    return null;
  }
  const [first, last] = column.range.map(Math.fround);
  const beyond = reach * (last - first);
  if (value >= first - beyond && value <= last + beyond) {
    return null;
  }
  const far = `${column.name} ${decimal(value)}: training saw`;
  return first === last
    ? { text: `${far} only ${column.range[0]}, so the model ignores it`, isFar: false }
    : { text: `${far} ${column.range[0]} to ${column.range[1]}`, isFar: true };
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
    const isWrong = !(Math.abs(part[0]) <= largest) || Boolean(field.validity.badInput);
    if (isWrong) {
      missing.push(`${column.name}: expected a number`);
    } else if (field.value === OTHER) {
      others.push(`${column.name} is not among the values seen in training: read as none of them`);
    } else {
      const note = numberNote(column, part[0]);
      isFar ||= note !== null && note.isFar;
      notes.push(...(note === null ? [] : [note.text]));
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

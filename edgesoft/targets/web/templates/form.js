// A row of a table: one field for each column, and the rules of edgesoft/tables/spec.py.

const { columns, reach, largest } = MODEL.input;
const MOST_NOTES = 5;
const OTHER = "";

const FIELDS = columns.map((column, index) => {
  const row = made("p", "field");
  const name = made("label", "");
  const field = made(column.kind === "text" ? "select" : "input", "");
  field.id = name.htmlFor = `field${index}`;
  name.append(made("bdi", "", column.name));
  if (column.kind === "text") {
    const values = column.vocabulary.map((word, place) => [word, String(place)]);
    for (const [shown, value] of [...values, ["(another value)", OTHER]]) {
      const option = made("option", "", shown);
      option.value = value;
      field.append(option);
    }
  } else {
    [field.type, field.step, field.autocomplete] = ["number", "any", "off"];
    const hint = made("span", "hint", column.range === null ? "any number" : `training: ${column.range[0]} to ${column.range[1]}`);
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

function fillForm(features) {
  let place = 0;
  columns.forEach((column, index) => {
    if (column.kind === "text") {
      const known = features.subarray(place, place + column.vocabulary.length).indexOf(1);
      FIELDS[index].value = known < 0 ? OTHER : String(known);
      place += column.vocabulary.length;
    } else {
      FIELDS[index].value = decimal(features[place++]);
    }
  });
}

function numberNote(column, value) {
  if (column.range === null || reach === null) {
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
    let isWrong = false;
    if (column.kind === "text") {
      features.push(...column.vocabulary.map((_, place) => Number(field.value === String(place))));
      if (field.value === OTHER) {
        others.push(`${column.name} is not among the values seen in training: read as none of them`);
      }
    } else {
      const value = Math.fround(field.value === "" ? NaN : Number(field.value));
      isWrong = !(Math.abs(value) <= largest);
      if (isWrong) {
        missing.push(`${column.name}: expected a number`);
      } else {
        const note = numberNote(column, value);
        isFar ||= note !== null && note.isFar;
        notes.push(...(note === null ? [] : [note.text]));
      }
      features.push(value);
    }
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

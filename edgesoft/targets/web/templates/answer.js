// What the page shows of an answer.

const element = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)} %`;

function made(tag, className, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

const BARS = MODEL.labels.map((label) => {
  const row = made("li", "");
  const bar = made("span", "bar");
  const share = made("span", "share");
  const name = made("bdi", "label", label);
  name.title = label; // where it is too long to be shown whole
  row.append(name, bar, share);
  element("bars").append(row);
  return { row, bar, share };
});

// null: there is nothing to answer yet; `why` says what is missing.
function show(found, why = "") {
  const { labels } = MODEL;
  const said = found === null ? "\u2013" : found.isRejected ? "unknown" : labels[found.index];
  element("label").textContent = said;
  element("label").className = found !== null && found.isRejected ? "unknown" : "";
  element("confidence").textContent = found === null ? "" : found.isRejected
    ? `nearest: ${labels[found.index]}, ${percent(found.probabilities[found.index])}` : percent(found.probabilities[found.index]);
  element("reason").textContent = found === null ? why : found.notes.join("; ");
  BARS.forEach(({ row, bar, share }, index) => {
    const probability = found === null ? 0 : found.probabilities[index];
    row.className = found !== null && index === found.index ? "answer" : "";
    bar.style.setProperty("--share", probability);
    share.textContent = found === null ? "" : percent(probability);
  });
}

// For those who listen: once a stroke, not once a frame.
function announce() {
  const parts = ["label", "confidence", "reason"].map((id) => element(id).textContent).filter((text) => text && text !== "\u2013");
  element("spoken").textContent = parts.join(", ");
}

function showSeen(pixels) {
  const { height, width, channels } = MODEL.input;
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let colour = 0; colour < 3; colour++) {
      image.data[4 * i + colour] = pixels[channels === 3 ? 3 * i + colour : i];
    }
    image.data[4 * i + 3] = 255;
  }
  element("seen").getContext("2d").putImageData(image, 0, 0);
}

// Pixels that the model takes -> the answer on the page.
function answerPixels(pixels, context) {
  showSeen(pixels);
  const found = answer(pixels, context);
  show(found);
  return found;
}

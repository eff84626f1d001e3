// A page to draw on. Strokes are kept as points from 0 to 1 and laid into an array of our own: what the model sees depends neither on
// the size and resolution of the screen nor on how a browser draws lines.

const RASTER_SIDE = SUPERSAMPLING * Math.max(MODEL.input.height, MODEL.input.width);
const PEN_RADIUS = 0.032; // as a share of the page
const MARK = Math.fround(0.3); // ink above this is part of the character
const NOISE_FLOOR = 0.2;

const paper = element("paper");
let strokes = [];
let current = null; // the stroke that is being drawn
let pointer = null; // and by which finger, pen or mouse

function rasterise(drawn) {
  const raster = plane(RASTER_SIDE, RASTER_SIDE);
  const radius = PEN_RADIUS * RASTER_SIDE;
  for (const points of drawn) {
    points.forEach((to, i) => segment(raster, points[Math.max(0, i - 1)], to, radius));
  }
  return raster;
}

// A line with round ends; a pixel on its edge is as dark as the share of it that is covered.
function segment({ height, width, data }, from, to, radius) {
  const [x0, y0, x1, y1] = [from.x * width, from.y * height, to.x * width, to.y * height];
  const [along, down] = [x1 - x0, y1 - y0];
  const length = along * along + down * down;
  const reach = radius + 1;
  for (let y = Math.max(0, Math.floor(Math.min(y0, y1) - reach)); y < Math.min(height, Math.max(y0, y1) + reach); y++) {
    for (let x = Math.max(0, Math.floor(Math.min(x0, x1) - reach)); x < Math.min(width, Math.max(x0, x1) + reach); x++) {
      const [across, below] = [x + 0.5 - x0, y + 0.5 - y0];
      const share = length > 0 ? clip((across * along + below * down) / length, 0, 1) : 0;
      const [aside, beneath] = [across - share * along, below - share * down];
      const cover = clip(radius + 0.5 - Math.sqrt(aside * aside + beneath * beneath), 0, 1);
      const place = y * width + x;
      data[place] = cover > data[place] ? cover : data[place];
    }
  }
}

// What the model is shown of a drawing; null where no ink is on the page.
function pixelsOfDrawing(drawn) {
  const raster = rasterise(drawn);
  const mask = mapped(raster, (x) => Number(x > MARK));
  return mask.data.includes(1) ? renderGlyph(raster, mask, 1, NOISE_FLOOR, MODEL.input) : null;
}

function answerDrawing() {
  const pixels = pixelsOfDrawing(strokes);
  if (pixels === null) {
    showSeen(new Uint8Array(MODEL.steps[0].inputs));
    show(null, "Nothing is drawn yet.");
  } else {
    answerPixels(pixels);
  }
}

function paint() {
  const side = Math.round(paper.clientWidth * devicePixelRatio);
  if (paper.width !== side) {
    paper.width = paper.height = side;
  }
  const pen = paper.getContext("2d");
  pen.clearRect(0, 0, side, side);
  pen.strokeStyle = getComputedStyle(paper).color;
  pen.lineWidth = 2 * PEN_RADIUS * side;
  pen.lineCap = pen.lineJoin = "round";
  for (const points of strokes) {
    pen.beginPath();
    pen.moveTo(points[0].x * side, points[0].y * side);
    points.forEach(({ x, y }) => pen.lineTo(x * side, y * side));
    pen.stroke();
  }
}

let isFrameAsked = false;
function changed() {
  if (!isFrameAsked) {
    isFrameAsked = true;
    requestAnimationFrame(() => {
      isFrameAsked = false;
      paint();
      answerDrawing();
    });
  }
}

function ended() {
  current = pointer = null;
  answerDrawing();
  announce();
}

function forget(kept) {
  strokes = kept;
  changed();
  ended();
}

function pointOf(event) {
  const box = paper.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
}

paper.addEventListener("pointerdown", (event) => {
  if (event.isPrimary && event.button === 0 && current === null) {
    paper.setPointerCapture(event.pointerId);
    pointer = event.pointerId;
    current = [pointOf(event)];
    strokes.push(current);
    changed();
  }
});
paper.addEventListener("pointermove", (event) => {
  if (event.pointerId === pointer) {
    const all = event.getCoalescedEvents?.() ?? [];
    current.push(...(all.length ? all : [event]).map(pointOf));
    changed();
  }
});
paper.addEventListener("pointerup", (event) => event.pointerId === pointer && ended());
// The system took the finger for itself: what it drew was none of the drawing.
paper.addEventListener("pointercancel", (event) => event.pointerId === pointer && forget(strokes.slice(0, -1)));
element("undo").addEventListener("click", () => forget(strokes.slice(0, -1)));
element("clear").addEventListener("click", () => forget([]));
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select") || event.altKey) {
    return;
  }
  const withControl = event.ctrlKey || event.metaKey;
  if ((withControl && event.key === "z") || (!withControl && event.key === "Backspace")) {
    event.preventDefault();
    forget(strokes.slice(0, -1));
  } else if (!withControl && (event.key === "Escape" || event.key === "Delete")) {
    forget([]);
  }
});
// An example, or a picture from a file, takes the drawing's place.
document.addEventListener("otherinput", () => {
  strokes = [];
  paint();
});
new ResizeObserver(paint).observe(paper);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
answerDrawing();

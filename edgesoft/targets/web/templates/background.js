// The ink of a picture: what differs from its surroundings. A simpler rule than edgesoft's on a device: one mean of the background around
// each pixel, and the marks that lie near the largest.

const FINE_SIDE = 128;
const FAINT = 0.04; // contrast of a blank sheet's grain

function median(values) {
  const sorted = Float32Array.from(values).sort();
  return sorted.length ? sorted[sorted.length >> 1] : 0;
}

// The threshold of least variance within both classes (Otsu, 1979), from a histogram.
function otsu(values) {
  const [low, high] = values.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
  const bins = new Float64Array(128);
  values.forEach((x) => bins[Math.min(127, Math.floor(((x - low) / (high - low || 1)) * 128))]++);
  const moment = bins.reduce((sum, count, i) => sum + count * i, 0);
  let [best, most, count, part] = [0, -1, 0, 0];
  for (let i = 0; i < 127; i++) {
    count += bins[i];
    part += bins[i] * i;
    const between = ((moment * count) / values.length - part) ** 2 / (count * (values.length - count) || Infinity);
    [best, most] = between > most ? [i + 1, between] : [best, most];
  }
  return low + ((high - low) * best) / 128;
}

// How far each pixel is darker (or brighter) than the background around it.
function contrastOf(from) {
  const { height, width, data } = from;
  const frame = data.filter((_, i) => i < width || i >= data.length - width || i % width === 0 || i % width === width - 1);
  const isDark = median(frame) >= otsu(data);
  const signed = mapped(from, (x) => (isDark ? x : -x));
  const radius = Math.max(2, Math.round(Math.max(height, width) / 5));
  const rough = boxMean(signed, radius);
  const gap = mapped(rough, (x, i) => x - signed.data[i]);
  const level = otsu(gap.data);
  const free = mapped(gap, (x) => Number(x <= level));
  const share = boxMean(free, radius);
  const mean = boxMean(mapped(signed, (x, i) => x * free.data[i]), radius);
  return mapped(signed, (x, i) => {
    const background = share.data[i] > 0.05 ? mean.data[i] / share.data[i] : rough.data[i];
    return isDark ? (background - x) / Math.max(background, 0.15) : background - x;
  });
}

// Marks that hang together, and how much ink is in each.
function marksOf({ height, width, data }, level) {
  const owner = new Int32Array(data.length).fill(-1);
  const marks = [];
  data.forEach((x, seed) => {
    if (x <= level || owner[seed] >= 0) {
      return;
    }
    const mark = { ink: 0, strongest: 0, frame: 0, top: height, left: width, bottom: 0, right: 0 };
    const waiting = [seed];
    owner[seed] = marks.length;
    while (waiting.length) {
      const place = waiting.pop();
      const [y, x] = [Math.floor(place / width), place % width];
      mark.ink += data[place];
      mark.strongest = Math.max(mark.strongest, data[place]);
      mark.frame += Number(y === 0 || x === 0 || y === height - 1 || x === width - 1);
      [mark.top, mark.left] = [Math.min(mark.top, y), Math.min(mark.left, x)];
      [mark.bottom, mark.right] = [Math.max(mark.bottom, y + 1), Math.max(mark.right, x + 1)];
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
          const next = v * width + u;
          if (data[next] > level && owner[next] < 0) {
            owner[next] = marks.length;
            waiting.push(next);
          }
        }
      }
    }
    marks.push(mark);
  });
  return { owner, marks };
}

// The largest mark that is no border, and what lies near it: 1 where there is one; null where there is none.
function characterOf(contrast, strokeContrast, level) {
  const { owner, marks } = marksOf(contrast, level);
  const score = marks.map(({ ink, strongest, frame, top, left, bottom, right }) =>
    strongest > 0.55 * strokeContrast ? ink * Math.max(0.02, 1 - frame / (bottom - top + right - left)) : 0);
  const main = score.indexOf(Math.max(...score));
  if (!(score[main] > 0)) {
    return null;
  }
  const { top, left, bottom, right } = marks[main];
  const near = 0.35 * Math.max(bottom - top, right - left);
  const isMember = marks.map((mark, i) => score[i] >= 0.02 * score[main]
    && Math.max(top - mark.bottom, mark.top - bottom, left - mark.right, mark.left - right) <= near);
  return mapped(contrast, (_, i) => Number(owner[i] >= 0 && isMember[owner[i]]));
}

// A picture that already is what the model takes: its ink's box and centre are where they belong.
function isModelInput({ height, width, data }, spec) {
  if (height !== spec.height || width !== spec.width || data[0] > 0 || data.reduce((a, b) => Math.max(a, b)) < 220 / 255) {
    return false;
  }
  const { top, left, bottom, right } = inkBox(plane(height, width, data), 0);
  let [total, y, x] = [0, 0, 0];
  data.forEach((value, i) => {
    [total, y, x] = [total + value, y + value * Math.floor(i / width), x + value * (i % width)];
  });
  [y, x] = spec.centring === "mass" ? [y / total, x / total] : [(top + bottom - 1) / 2, (left + right - 1) / 2];
  return Math.abs(Math.max(right - left, bottom - top) - spec.ink_box) <= 1 && total <= data.length / 2
    && Math.abs(y - height / 2) <= 0.75 && Math.abs(x - width / 2) <= 0.75;
}

function inkOfPicture(grey) {
  const spec = MODEL.input;
  if (isModelInput(grey, spec)) {
    return { pixels: Uint8Array.from(grey.data, (x) => toByte(255 * x)), context: {} };
  }
  const blank = (...warnings) =>
    ({ pixels: new Uint8Array(spec.height * spec.width), context: { warnings: ["the picture is blank", ...warnings], isUnfamiliar: true } });
  const factor = Math.max(1, Math.round(FINE_SIDE / Math.max(grey.height, grey.width)));
  const contrast = contrastOf(resample(grey, grey.height * factor, grey.width * factor));
  const level = otsu(contrast.data);
  const below = contrast.data.filter((x) => x <= level);
  const middle = median(below);
  const noise = 1.4826 * median(below.map((x) => Math.abs(x - middle)));
  const ink = contrast.data.filter((x) => x > Math.max(3 * noise, 0.02));
  const split = ink.length ? otsu(ink) : 0;
  const strong = ink.filter((x) => x >= split);
  const strokeContrast = strong.length ? strong.reduce((sum, x) => sum + x, 0) / strong.length : 0;
  if (strokeContrast < FAINT || strokeContrast < 4 * noise) {
    return strokeContrast < FAINT ? blank() : blank("there is hardly any contrast");
  }
  const lowest = Math.max(0.3 * strokeContrast, Math.min(2.5 * noise, 0.5 * strokeContrast));
  const mask = characterOf(contrast, strokeContrast, lowest);
  if (mask === null) {
    return blank();
  }
  const floor = Math.max(0.2 * strokeContrast, Math.min(2 * noise, 0.4 * strokeContrast));
  return { pixels: renderGlyph(contrast, mask, strokeContrast, floor, spec), context: {} };
}

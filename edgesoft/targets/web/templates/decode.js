// A picture file, decoded by the browser.

const LONGEST_SIDE = 256; // at which a picture is looked at
const LUMINANCE = [0.299, 0.587, 0.114]; // Rec. 601

// A picture as planes of red, green and blue from 0 to 1, on the ground that its transparent parts were made for.
function colours(bitmap) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  let [visible, bright] = [0, 0];
  for (let i = 0; i < data.length; i += 4) {
    visible += data[i + 3];
    bright += (data[i + 3] * LUMINANCE.reduce((sum, share, colour) => sum + share * data[i + colour], 0)) / 255;
  }
  const ground = data.some((x, i) => i % 4 === 3 && x < 255) && bright > visible / 2 ? 0 : 1;
  return LUMINANCE.map((_, colour) => {
    const out = plane(height, width);
    out.data.forEach((_, i) => {
      const cover = data[4 * i + 3] / 255;
      out.data[i] = (data[4 * i + colour] / 255) * cover + ground * (1 - cover);
    });
    return out;
  });
}

function grey([red, green, blue]) {
  return mapped(red, (x, i) => LUMINANCE[0] * x + LUMINANCE[1] * green.data[i] + LUMINANCE[2] * blue.data[i]);
}

// The whole picture, scaled to the model's size.
function wholePicture(planes) {
  const { height, width, channels } = MODEL.input;
  const scaled = (channels === 1 ? [grey(planes)] : planes).map((from) => resample(from, height, width));
  const pixels = new Uint8Array(height * width * channels);
  scaled.forEach(({ data }, colour) => data.forEach((x, i) => {
    pixels[i * channels + colour] = toByte(255 * x);
  }));
  return { pixels, context: {} };
}

async function answerFile(file) {
  const planes = colours(await createImageBitmap(file));
  const { pixels, context } = MODEL.input.normaliser === "ink" ? inkOfPicture(grey(planes)) : wholePicture(planes);
  answerPixels(pixels, context);
}

const UNANSWERED = "this browser cannot read it as a picture. Save it as PNG or JPEG.";

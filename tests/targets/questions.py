"""What pages are asked in the browser: scripts that are put behind their own, and the examples for them."""

import base64
import json
from io import BytesIO

import numpy as np
from PIL import Image

from edgesoft.pictures.spec import PictureSpec

SPECS = (
    PictureSpec(),
    PictureSpec(height=20, width=32, ink_box=18, centring="box", stroke_low=1.0, stroke_high=2.0),
    PictureSpec(stroke_high=0.0),
)


def text(values):
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


LOGITS = """
const all = %s(%s), size = MODEL.steps[0].inputs;
const rows = Array.from({ length: all.length / size }, (_, i) => logitsOf(all.slice(i * size, (i + 1) * size)));
return base64(Float32Array.from(rows.flatMap((row) => Array.from(row))));
"""


def logits_of(inputs):
    decoder = "decodedBytes" if inputs.dtype == np.uint8 else "decodedFloats"
    return LOGITS % (decoder, json.dumps(text(inputs)))


GLYPHS = """
return %s.map(({ page, height, width, spec, contrast, floor }) => {
  const from = plane(height, width, decodedFloats(page));
  const mask = mapped(from, (x) => Number(x > Math.fround(0.3 * contrast)));
  return base64(renderGlyph(from, mask, contrast, floor, spec));
});
"""


def glyph_cases(mnist):
    rng = np.random.default_rng(5)
    for index, picture in enumerate(mnist.test.inputs[:45]):
        factor, contrast = 1 + index % 4, float(rng.uniform(0.5, 1))
        page = np.pad(picture, int(rng.integers(0, 9))).repeat(factor, 0).repeat(factor, 1).astype(
            np.float32
        ) / np.float32(255)
        yield (
            (page * np.float32(contrast)).astype(np.float32),
            contrast,
            float(rng.uniform(0.05, 0.3)) * contrast,
            SPECS[index % 3],
        )


DRAWINGS = """
paper.setPointerCapture = () => {};  // which asks for a real finger
const play = (type, { x, y }, id = 7, more = {}) => {
  const box = paper.getBoundingClientRect();
  const place = { clientX: box.left + x * box.width, clientY: box.top + y * box.height };
  paper.dispatchEvent(new PointerEvent(type, { pointerId: id, isPrimary: true, button: 0, bubbles: true, ...place, ...more }));
};
const draw = (strokes) => strokes.forEach((stroke) => {
  play("pointerdown", stroke[0]);
  stroke.slice(1).forEach((point) => play("pointermove", point));
  play("pointerup", stroke.at(-1));
});
const said = () => ["label", "reason", "spoken"].map((id) => element(id).textContent);
const press = (key, more = {}) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...more }));
const out = { drawn: {}, start: said() };
for (const [name, drawn] of Object.entries(%s)) {
  press("Escape");
  draw(drawn);
  out.drawn[name] = { said: said(), raster: base64(rasterise(strokes).data), pixels: base64(pixelsOfDrawing(strokes) ?? new Uint8Array()) };
}
out.strokes = strokes.length;
press("z", { ctrlKey: true });
out.undone = strokes.length;
play("pointerdown", { x: 0.5, y: 0.5 });
play("pointerdown", { x: 0.1, y: 0.1 }, 8, { isPrimary: false });  // a palm
play("pointermove", { x: 0.1, y: 0.2 }, 8, { isPrimary: false });
out.palm = [strokes.length, strokes.at(-1).length];
play("pointercancel", { x: 0.5, y: 0.5 });
out.cancelled = strokes.length;
element("clear").click();
out.cleared = [strokes.length, said()];
element("example").click();
out.example = said();
return out;
"""


UPLOADS = """
const out = {}, shown = showSeen;
let seen;
showSeen = (pixels) => { seen = pixels; shown(pixels); };
for (const [name, content] of Object.entries(%s)) {
  await openPicture(new File([decodedBytes(content)], name));
  out[name] = { label: element("label").textContent, reason: element("reason").textContent,
    pixels: base64(seen) };
}
return out;
"""


REACH = """
const tried = [
  () => fetch("http://127.0.0.1:PORT/fetch", { mode: "no-cors" }).catch(() => {}),
  () => { new Image().src = "http://127.0.0.1:PORT/image"; },
  () => { navigator.sendBeacon("http://127.0.0.1:PORT/beacon", "x"); },
  () => { const script = document.createElement("script"); script.src = "http://127.0.0.1:PORT/script"; document.body.append(script); },
  () => { const script = document.createElement("script"); script.textContent = "document.title = 'run'"; document.body.append(script); },
  () => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "http://127.0.0.1:PORT/style" });
    document.head.append(link);
  },
];
for (const attempt of tried) { await attempt(); }
for (let i = 0; i < 20; i++) { await wait(); }
return document.title;
"""


def png(picture, **options):
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", **options)
    return buffer.getvalue()


def uploads(mnist):
    noise = np.random.default_rng(1).normal(0, 3, (140, 160))
    shade = np.linspace(0, 60, 160)
    large = np.asarray(Image.fromarray(mnist.test.inputs[3]).resize((112, 112), Image.Resampling.BICUBIC)).astype(float)
    paper = np.pad(large, ((14, 14), (24, 24)))
    return {
        "input.png": png(mnist.test.inputs[0]),
        "paper.png": png(np.clip(220 - shade + noise - 0.7 * paper, 0, 255).astype(np.uint8)),
        "board.png": png(np.clip(30 + noise + 0.8 * paper, 0, 255).astype(np.uint8)),
        "white.png": png(np.full((90, 90), 255, np.uint8)),
        "broken.png": b"\x89PNG\r\n\x1a\nno",
    }


FORM = """
const set = (index, value) => { FIELDS[index].value = value; FIELDS[index].dispatchEvent(new Event("input")); };
const said = () => ["label", "reason"].map((id) => element(id).textContent);
const out = { start: said(), names: Array.from(document.querySelectorAll("label bdi"), (node) => node.textContent),
  values: Array.from(FIELDS[2].options, (node) => node.textContent), bars: BARS.map(({ row }) => row.querySelector("bdi").textContent) };
out.rows = %s.map((row) => {
  row.forEach((value, index) => set(index, value));
  return { said: said(), features: Array.from(readForm().features) };
});
element("example").click();
out.example = said();
return out;
"""

// The golden examples, which must give what ONNX Runtime gave for them. In slices, so that the page answers meanwhile.

const GOLDEN = MODEL.golden;

function goldenInput(example) {
  const size = MODEL.steps[0].inputs;
  return GOLDEN.inputs.subarray(example * size, (example + 1) * size);
}

function sameAsExpected(example) {
  const logits = logitsOf(goldenInput(example));
  const bits = new Int32Array(logits.buffer);
  const start = example * logits.length;
  const expected = GOLDEN.logits.subarray(start, start + logits.length);
  const expectedBits = new Int32Array(GOLDEN.logits.buffer, 4 * start, logits.length);
  const isNear = GOLDEN.tolerance === null
    ? bits.every((x, i) => x === expectedBits[i])
    : logits.every((x, i) => Math.abs(x - expected[i]) <= GOLDEN.tolerance);
  return isNear && predicted(logits) === predicted(expected);
}

function replay(example = 0, same = 0) {
  const end = performance.now() + 20;
  for (; example < GOLDEN.count && performance.now() < end; example++) {
    same += sameAsExpected(example);
  }
  if (example < GOLDEN.count) {
    setTimeout(replay, 0, example, same);
    return;
  }
  const passed = same === GOLDEN.count;
  const proof = document.getElementById("proof");
  proof.textContent = `${same} of ${GOLDEN.count} golden examples: ${passed ? GOLDEN.said : `not ${GOLDEN.said}. Do not trust this page`}`;
  proof.className = passed ? "good" : "bad";
  proof.dataset.passed = passed;
}

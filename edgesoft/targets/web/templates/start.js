// What every page does when it opens: an example button, and the proof.

let nextExample = 0;
element("example").addEventListener("click", () => {
  const example = nextExample++ % GOLDEN.count;
  const input = goldenInput(example);
  if (MODEL.input.kind === "features") {
    fillForm(input);
    answerForm();
  } else {
    document.dispatchEvent(new Event("otherinput"));
    answerPixels(input);
  }
  const right = MODEL.labels[GOLDEN.targets[example]];
  element("reason").textContent = [`example ${example + 1} of ${GOLDEN.count}, right: ${right}`, element("reason").textContent]
    .filter(Boolean).join("; ");
  announce();
});
replay();

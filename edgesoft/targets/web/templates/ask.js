// A picture file, answered by the server that this page comes from: it has the whole normaliser.

async function answerFile(file) {
  const response = await asked(file);
  const said = await response.json();
  if (!response.ok) {
    show(null, `${file.name}: ${said.error}`);
    return;
  }
  showSeen(decoded({ base64: said.seen, dtype: "uint8" }));
  const probabilities = MODEL.labels.map((label) => said.probabilities[label]);
  const index = said.rejected ? probabilities.indexOf(Math.max(...probabilities)) : MODEL.labels.indexOf(said.label);
  show({ index, probabilities, isRejected: said.rejected, notes: said.warnings });
}

async function asked(file) {
  try {
    return await fetch(MODEL.server, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file });
  } catch {
    throw new DOMException("no answer", "NetworkError");
  }
}

const UNANSWERED = "the server does not answer.";

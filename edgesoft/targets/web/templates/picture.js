// Pictures from files and cameras. Who answers them, this page or a server, is another script's: answerFile, and UNANSWERED where it cannot.

async function openPicture(file) {
  document.dispatchEvent(new Event("otherinput"));
  try {
    await answerFile(file);
  } catch (error) {
    if (!(error instanceof DOMException)) {
      throw error;
    }
    show(null, `${file.name}: ${UNANSWERED}`);
  }
  announce();
}

for (const id of ["file", "camera"]) {
  element(id).addEventListener("change", ({ target }) => {
    if (target.files.length) {
      openPicture(target.files[0]);
    }
    target.value = ""; // so that the same file can be chosen again
  });
}
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) {
    openPicture(event.dataTransfer.files[0]);
  }
});
if (MODEL.input.normaliser === "resize") {
  show(null, "No picture is open yet.");
}

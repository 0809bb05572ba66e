"use strict";
// Copies a prompt or a command. Where the clipboard is out of reach, as in some files opened from disk, it marks the text.
(() => {
  const select = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  const copy = async (element) => {
    try {
      await navigator.clipboard.writeText(element.textContent);
      return true;
    } catch {
      select(element);
      return document.execCommand("copy");
    }
  };
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    const label = button.firstChild;
    if (!source || !label) continue;
    button.hidden = false;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      label.data = (await copy(source)) ? "Copied" : "Marked: press Ctrl+C";
      window.setTimeout(() => { label.data = "Copy"; }, 2500);
    });
  }
})();

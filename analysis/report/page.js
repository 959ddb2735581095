"use strict";
// One example at a time, filtered; without this script all of them stand in a list.
const steps = document.getElementById("steps");
if (steps) {
  const filters = document.getElementById("filters");
  const examples = [...document.querySelectorAll(".example")];
  const selects = [...filters.querySelectorAll("select")];
  const where = document.getElementById("where");
  const previous = document.getElementById("previous");
  const next = document.getElementById("next");
  let at = 0;

  const matching = () =>
    examples.filter((example) =>
      selects.every((select) => {
        const held = example.dataset[select.dataset.filter];
        return select.value === "" || held.split(" ").includes(select.value);
      }),
    );

  const show = () => {
    const found = matching();
    at = Math.max(0, Math.min(at, found.length - 1));
    for (const example of examples) example.hidden = example !== found[at];
    where.textContent = found.length ? `${at + 1} of ${found.length}` : "No example matches.";
    previous.setAttribute("aria-disabled", String(at === 0));
    next.setAttribute("aria-disabled", String(at >= found.length - 1));
  };

  const step = (by) => {
    at += by;
    show();
  };

  previous.addEventListener("click", () => step(-1));
  next.addEventListener("click", () => step(1));
  for (const select of selects) {
    select.addEventListener("change", () => {
      at = 0;
      show();
    });
  }
  filters.hidden = false;
  steps.hidden = false;
  show();
}

// Paper cannot be unfolded.
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});

// What is wider than the screen can be scrolled with the keyboard.
const reachable = () => {
  for (const box of document.querySelectorAll(".scroll, .beside")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};
window.addEventListener("resize", reachable);
document.addEventListener("toggle", reachable, true);
reachable();

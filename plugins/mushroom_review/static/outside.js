// Links that leave the page. Airflow shows it in a frame that may open no window and move no other; the frame is of
// Airflow's own origin, so the link is followed in Airflow's document, where a person's click may.

/** Whether the page lies in a frame of Airflow. */
export function isFramed() {
  try {
    return parent !== window && Boolean(parent.document);
  } catch {
    return false;
  }
}

document.addEventListener("click", (event) => {
  const clicked = event.target.closest?.("a[target=_blank], a[data-outside]");
  if (!clicked || !isFramed() || !/^https?:/.test(clicked.href)) return;
  event.preventDefault();
  const outer = parent.document.createElement("a");
  outer.href = clicked.href;
  outer.rel = "noopener noreferrer";
  if (clicked.target === "_blank") outer.target = "_blank";
  parent.document.body.append(outer);
  outer.click();
  outer.remove();
});

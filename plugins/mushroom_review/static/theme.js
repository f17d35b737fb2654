// Airflow's colours: the page lies in a frame of Airflow's own origin, takes its tokens, and changes with them.
// A plain script in the head, so that the first paint has the right colours already.
"use strict";

(() => {
  const TOKENS = [ // those that base.css names
    "bg", "bg-subtle", "bg-muted", "bg-emphasized", "bg-panel", "fg", "fg-muted", "border", "border-emphasized",
    "brand-solid", "brand-contrast", "brand-fg", "brand-muted", "brand-subtle", "brand-focus-ring", "green-fg",
    "green-subtle", "red-fg", "red-subtle", "purple-fg", "purple-subtle", "amber-fg", "amber-subtle",
  ];
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  const airflow = () => {
    try {
      return parent === window ? null : parent.document.documentElement;
    } catch {
      return null; // a frame of somebody else's page
    }
  };

  const isDark = (outer) => {
    if (outer) return outer.classList.contains("dark");
    const chosen = localStorage.getItem("theme"); // where Airflow keeps the choice
    return chosen === "dark" || (chosen !== "light" && system.matches);
  };

  const follow = () => {
    const outer = airflow();
    root.classList.toggle("dark", isDark(outer));
    if (!outer) return;
    const style = parent.getComputedStyle(outer);
    for (const token of TOKENS) {
      const value = style.getPropertyValue(`--chakra-colors-${token}`).trim();
      if (value) root.style.setProperty(`--${token}`, value);
      else root.style.removeProperty(`--${token}`);
    }
  };

  follow();
  const outer = airflow();
  if (outer) new MutationObserver(follow).observe(outer, { attributeFilter: ["class", "style"] });
  system.addEventListener("change", follow);
  addEventListener("storage", follow);
})();

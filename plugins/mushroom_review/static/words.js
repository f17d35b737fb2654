// The words for codes. Those of findings come from the server (mushroom_tasks.curation.reasons), with `learn`.

export const VERDICTS = {
  keep: { label: "Keep", key: "K" },
  prune: { label: "Prune", key: "P" },
  wrong_species: { label: "Wrong species", key: "W" },
  not_sure: { label: "Not sure", key: "N" },
};

const words = { kept: {}, pruned: {}, doubts: {}, verdicts: {} };

export function learn(start) {
  for (const kind of Object.keys(words)) words[kind] = start[kind];
}

export const meaning = (verdict) => words.verdicts[verdict] ?? verdict;

/** The findings that a filter may name, in groups. */
export const findings = () => [["Pruned", words.pruned], ["Doubtful", words.doubts]];

/** What the rules made of a photo: the class of its badge, its word. */
export function state(item) {
  if (item.is_outlier) return ["pruned", "Pruned"];
  return item.doubt ? ["doubtful", "Doubtful"] : ["kept", "Kept"];
}

export const isFlagged = (item) => item.is_outlier || item.doubt !== null;

/** How far a set's or a species' review is: the flagged photos, those of them decided; and kept ones that are decided. */
export function progress({ pruned, doubtful, waiting, decided }) {
  const flagged = pruned + doubtful;
  return { flagged, done: flagged - waiting, alsoKept: decided - (flagged - waiting) };
}

/** Why, in a sentence: the doubt of a photo that is kept, else the reason. */
export function why(item) {
  const reason = words.pruned[item.reason] ?? words.kept[item.reason] ?? item.reason;
  return item.is_outlier || !item.doubt ? reason : doubt(item);
}

export const doubt = (item) => words.doubts[item.doubt] ?? item.doubt;

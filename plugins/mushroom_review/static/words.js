// The words for codes. Those of findings come from the server (mushroom_tasks.curation.reasons), with `learn`.

export const VERDICTS = {
  keep: { label: "Keep", key: "K" },
  prune: { label: "Prune", key: "P" },
  wrong_species: { label: "Wrong species", key: "W" },
  not_sure: { label: "Not sure", key: "N" },
};

const POOR_QUALITY = "poor_quality"; // the reason whose words name every issue
const words = { kept: {}, pruned: {}, doubts: {}, issues: {}, verdicts: {} };

export function learn(start) {
  for (const kind of Object.keys(words)) words[kind] = start[kind];
}

export const meaning = (verdict) => words.verdicts[verdict] ?? verdict;

/** The reasons that a filter may name, in groups: the filter's name, a heading, the words by code. */
export const filters = () => [
  ["finding", "Pruned", words.pruned],
  ["finding", "Doubtful", words.doubts],
  ["issue", "Poor quality: the photo …", words.issues],
  ["verdict", "Decided", Object.fromEntries(Object.entries(VERDICTS).map(([verdict, { label }]) => [verdict, label]))],
];

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

/** Why, in a sentence: the doubt of a photo that is kept, else the reason; and what makes the photo poor. */
export function why(item) {
  const poor = item.quality_issue ? `the photo ${words.issues[item.quality_issue] ?? item.quality_issue}` : "";
  if (item.reason === POOR_QUALITY && poor) return poor;
  const reason = words.pruned[item.reason] ?? words.kept[item.reason] ?? item.reason;
  const found = item.is_outlier || !item.doubt ? reason : doubt(item);
  return poor ? `${found}; ${poor}` : found;
}

export const doubt = (item) => words.doubts[item.doubt] ?? item.doubt;

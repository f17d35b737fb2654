// Build the data set again, as people decided: a run of dataset_build with the parameters that the set was made with,
// set off through Airflow's REST API with the login of who looks, so that Airflow checks the permission. And the
// approvals that a run may wait for.

import { airflow } from "./api.js";
import { $, build, count, icon } from "./dom.js";

const DAG = "dataset_build";
const ENDED = ["success", "failed"];
const RUN_POLL = 5_000; // milliseconds between questions for a run
const APPROVALS_POLL = 60_000; // between questions for approvals, and after one about a run that failed

const runAddress = (run) => `../dags/${DAG}/runs/${encodeURIComponent(run)}`;

function outsideLink(text, href) {
  return build("a", { text, href, "data-outside": "same" });
}

export class Rebuild {
  #isPaused = false;
  #run = null;

  constructor({ tell, refusal }) {
    Object.assign(this, { tell, refusal, set: null });
    $("show-rebuild").addEventListener("click", () => this.#open());
    $("rebuild-start").addEventListener("click", () => this.#start());
  }

  begin(set) {
    this.set = set;
    const why = this.refusal() ?? (set?.conf ? null : "Only data sets of iNaturalist's photos can be built again here.");
    const button = $("show-rebuild");
    button.setAttribute("aria-disabled", String(Boolean(why)));
    button.title = why ?? "Build this data set again, as people decided";
  }

  async #open() {
    if ($("show-rebuild").getAttribute("aria-disabled") === "true") {
      this.tell($("show-rebuild").title, { isError: true });
      return;
    }
    const { fingerprint, decided } = this.set;
    const obeyed = decided ? `What people decided on ${count(decided, "photo")} of it stands` : "Nobody has decided on its photos yet; what people decide stands";
    $("rebuild-text").textContent = `${DAG} runs again with the parameters of data set ${fingerprint}. ${obeyed} above the rules. Photos and embeddings are reused.`;
    $("rebuild-start").disabled = Boolean(this.#run && !ENDED.includes(this.#run.state));
    $("rebuild-waits").hidden = true;
    $("rebuild").showModal();
    this.#warn();
    try {
      this.#isPaused = (await airflow("GET", `dags/${DAG}`)).is_paused;
      $("rebuild-paused").hidden = !this.#isPaused;
    } catch (error) {
      this.#say(error.message);
    }
  }

  /** Say so where a run waits for an approval: runs go one at a time, the next one would wait behind it. */
  async #warn() {
    const [first] = (await approvals()) ?? [];
    $("rebuild-waits").hidden = !first;
    if (!first) return;
    const text = `An earlier run waits for an approval. ${DAG} runs one at a time: a new run starts when that is answered. `;
    $("rebuild-waits").replaceChildren(icon("waiting"), build("span", {}, text, outsideLink("Answer", answerAddress(first))));
  }

  async #start() {
    $("rebuild-start").disabled = true;
    try {
      if (this.#isPaused && $("rebuild-unpause").checked) {
        await airflow("PATCH", `dags/${DAG}?update_mask=is_paused`, { is_paused: false });
        $("rebuild-paused").hidden = true;
      }
      const body = { logical_date: null, conf: this.set.conf, note: "Set off from the review page" };
      this.#follow(await airflow("POST", `dags/${DAG}/dagRuns`, body));
    } catch (error) {
      this.#say(error.message);
      $("rebuild-start").disabled = false;
    }
  }

  #follow(run) {
    this.#run = run;
    this.#say(`Run is ${run.state}: `, outsideLink(run.dag_run_id, runAddress(run.dag_run_id)));
    if (ENDED.includes(run.state)) $("rebuild-start").disabled = false;
    else setTimeout(() => this.#poll(run), RUN_POLL);
  }

  async #poll(run) {
    try {
      this.#follow(await airflow("GET", `dags/${DAG}/dagRuns/${encodeURIComponent(run.dag_run_id)}`));
    } catch {
      setTimeout(() => this.#poll(run), APPROVALS_POLL);
    }
  }

  #say(...parts) {
    $("rebuild-run").replaceChildren(build("span", {}, ...parts));
    $("rebuild-run").hidden = false;
  }
}

/** Show, and keep showing, the approvals that runs wait for. */
export async function watchApprovals() {
  const found = await approvals();
  if (found) $("approvals").replaceChildren(...found.map(approval));
  setTimeout(watchApprovals, APPROVALS_POLL);
}

/** The approvals that runs wait for; null where Airflow does not tell. */
async function approvals() {
  try {
    return (await airflow("GET", `dags/${DAG}/dagRuns/~/hitlDetails?response_received=false&limit=5`)).hitl_details;
  } catch {
    return null; // who may not see them, sees none; the page does not need them
  }
}

function answerAddress({ task_instance: task }) {
  const mapped = task.map_index >= 0 ? `/mapped/${task.map_index}` : "";
  return `${runAddress(task.dag_run_id)}/tasks/${encodeURIComponent(task.task_id)}${mapped}/required_actions`;
}

function approval(found) {
  const text = build("span", { text: `A run waits for an approval: ${found.subject} ` });
  text.append(outsideLink("Answer", answerAddress(found)));
  return build("p", { class: "notice" }, icon("waiting"), text);
}

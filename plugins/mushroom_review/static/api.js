// Requests: to the page's own interface, and to Airflow's REST API with the login of who looks.

const OWN = { "X-Mushroom-Review": "1" };

/** An answer that is none of success; the message is for people. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const get = (path, signal) => send("GET", path, undefined, signal);
export const post = (path, body) => send("POST", path, body);
export const airflow = (method, path, body) => send(method, `../api/v2/${path}`, body);

/** An address with these parameters, those without a value left out. */
export function address(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(given).toString();
  return query ? `${path}?${query}` : path;
}

async function send(method, path, body, signal) {
  const headers = body === undefined ? OWN : { ...OWN, "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "Airflow does not answer. Check the connection, then try again.");
  }
  if (answer.status === 401) document.getElementById("signed-out").hidden = false;
  if (!answer.ok) throw new Refused(answer.status, await reason(answer));
  return answer.json();
}

async function reason(answer) {
  try {
    const { detail } = await answer.json();
    return typeof detail === "string" ? detail : `${answer.status} ${JSON.stringify(detail)}`;
  } catch {
    return `Airflow answered ${answer.status} ${answer.statusText}`;
  }
}

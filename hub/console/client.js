/** Talking to the hub: the token, HTTP calls, the event socket with resume and back-off. Knows nothing of the page. */

const TOKEN = "storehub.token";
const CALL_TIMEOUT_MS = 10_000; // the hub is on this machine or this network: later is never
const RECONNECT_FIRST_MS = 500;
const RECONNECT_MAX_MS = 15_000; // how long a hub that is back may go unnoticed
const HELLO_TIMEOUT_MS = 10_000; // a socket that opens and says nothing is no connection

/** The hub refused or was not reached (status 0). `problem` is its RFC 9457 document. */
export class HubError extends Error {
  /** @param {number} status @param {{code?: string, title?: string, detail?: string, remedy?: Object<string, string>}} problem */
  constructor(status, problem) {
    super(problem.title ?? "no answer");
    this.status = status;
    this.problem = problem;
  }
}

/** @returns {string | null} the token kept; what could be no token is none (a WebSocket would not even take it) */
export function token() {
  const kept = localStorage.getItem(TOKEN);
  return kept !== null && /^[\w-]+$/.test(kept) ? kept : null;
}

/** Keep a token, or forget it (null). */
export function keepToken(value) {
  if (value === null) localStorage.removeItem(TOKEN);
  else localStorage.setItem(TOKEN, value);
}

/** Spend a pairing code; return {token, till_id, scope} and keep nothing. */
export function pair(code, name = "console") {
  return call("POST", "/v1/pair", { code, name }, null);
}

/** GET a path; raise HubError. */
export function get(path) {
  return call("GET", path, undefined, token());
}

/** POST to a path; raise HubError. */
export function post(path, body) {
  return call("POST", path, body, token());
}

/** DELETE a path; raise HubError. */
export function remove(path) {
  return call("DELETE", path, undefined, token());
}

async function call(method, path, body, bearer) {
  const headers = {};
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method, headers, cache: "no-store", signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new HubError(0, {});
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    if (answer.status === 401) dispatchEvent(new Event("storehub:unauthorized"));
    throw new HubError(answer.status, content);
  }
  return content;
}

/** The event socket: keeps itself connected and resumes after the last cursor. */
export class Events {
  /**
   * @param {(frame: object) => void} onEvent  every event frame, in order
   * @param {(state: "connecting" | "live" | "offline") => void} onState
   * @param {(isGap: boolean) => void} onRead  lists must be read (again); isGap: events were missed
   */
  constructor(onEvent, onState, onRead) {
    this.onEvent = onEvent;
    this.onState = onState;
    this.onRead = onRead;
    this.cursor = null;
    this.failures = 0;
    this.socket = null;
    this.timer = 0;
    this.wake = () => this.failures && this.#connect();
  }

  start() {
    addEventListener("online", this.wake);
    this.onState("connecting");
    this.#connect();
  }

  stop() {
    removeEventListener("online", this.wake);
    clearTimeout(this.timer);
    this.#drop();
  }

  #connect() {
    clearTimeout(this.timer);
    this.#drop();
    const after = this.cursor === null ? "" : `&after=${encodeURIComponent(this.cursor)}`;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/v1/events?now=${Date.now()}${after}`, [
      "storehub.v1", `storehub.bearer.${token()}`,
    ]);
    this.socket = socket;
    this.timer = setTimeout(() => socket.close(), HELLO_TIMEOUT_MS);
    socket.onmessage = (message) => this.#receive(JSON.parse(message.data), after !== "");
    socket.onclose = () => this.socket === socket && this.#lost();
  }

  #drop() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  #receive(frame, isResumed) {
    if (frame.type === "hello") {
      clearTimeout(this.timer);
      this.failures = 0;
      this.cursor = frame.cursor;
      this.onState("live");
      if (!isResumed) this.onRead(false);
    } else if (frame.type === "reset") {
      this.onRead(true);
    } else {
      this.cursor = frame.cursor;
      this.onEvent(frame);
    }
  }

  /** A refused token looks like any other failure to a WebSocket: a small call tells them apart (401). */
  #lost() {
    this.socket = null;
    clearTimeout(this.timer);
    this.onState("offline");
    const roof = Math.min(RECONNECT_MAX_MS, RECONNECT_FIRST_MS * 2 ** this.failures);
    this.failures += 1;
    this.timer = setTimeout(() => this.#connect(), roof * (0.3 + 0.7 * Math.random()));
    get("/v1/shop").catch(() => {});
  }
}

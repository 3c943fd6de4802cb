// REST with the family's token rules: 403 means refresh once and retry, 401 means log in again.

let token = null;
let refreshing = null;
let onLoggedOut = () => {};

export class ApiError extends Error {
  constructor(status, code) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

export const currentToken = () => token;
export const whenLoggedOut = (callback) => { onLoggedOut = callback; };

async function send(method, path, body, headers) {
  const options = { method, credentials: "same-origin", headers: { ...headers } };
  if (token) options.headers.authorization = `Bearer ${token}`;
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  return fetch(path, options);
}

async function decode(response) {
  const text = await response.text();
  const data = text ? JSON.parse(text) : null;
  if (!response.ok) throw new ApiError(response.status, data?.error ?? `HTTP ${response.status}`);
  return data;
}

async function renew() {
  const response = await send("POST", "/auth/refresh_token");
  const data = await decode(response);
  token = data.token;
  return data.user;
}

// Several calls may meet an expired token at once: one refresh serves them all.
export function refresh() {
  refreshing ??= renew().finally(() => { refreshing = null; });
  return refreshing;
}

export async function call(method, path, body, headers) {
  let response = await send(method, path, body, headers);
  if (response.status === 403 && token) {
    try {
      await refresh();
    } catch (error) {
      logOutLocally();
      throw error;
    }
    response = await send(method, path, body, headers);
  }
  if (response.status === 401 && token) logOutLocally();
  return decode(response);
}

export async function login(email, password) {
  const data = await decode(await send("POST", "/auth/login", { email, password }));
  token = data.token;
  return data.user;
}

export async function logout() {
  try {
    await call("DELETE", "/auth/logout");
  } finally {
    logOutLocally();
  }
}

function logOutLocally() {
  token = null;
  onLoggedOut();
}

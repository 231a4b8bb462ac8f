// Talks to the program that serves this page.

export class Refusal extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

export async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refusal("The program that serves this page does not answer. Is it still running?", 0);
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  throw new Refusal(error || "Something went wrong. Please try again.", answer.status);
}

const limits = ask("/api/limits").then((answer) => answer.json()).catch(() => null);

// Sends a file; one that is too large is not sent in vain.
export async function send(path, file) {
  const known = await limits;
  if (known && file.size > known.upload_bytes) {
    const most = Math.round(known.upload_bytes / 1e6);
    throw new Refusal(`That is more than ${most} MB. Please send less.`, 413);
  }
  const headers = { "Content-Type": "application/octet-stream" };
  return ask(path, { method: "POST", body: file, headers });
}

export function forget(id) {
  fetch(`/api/photos/${id}`, { method: "DELETE", keepalive: true }).catch(() => {});
}

// Hands an answer to the visitor as a file, and returns its bytes.
export async function save(answer) {
  const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") || "");
  const blob = await answer.blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name ? name[1] : "aged";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  return blob;
}

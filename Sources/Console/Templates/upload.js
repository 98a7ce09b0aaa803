// Sends a chosen file in pieces to where the server says, with its progress. Without this the form itself sends small ones.
"use strict";
(() => {
  const form = document.querySelector("form[data-upload]");
  if (!form || !window.crypto || !crypto.subtle) return;
  const { upload: home, piece, most, back } = form.dataset;
  const size = Number(piece);
  const said = document.querySelector("#upload-said");
  const bar = document.querySelector("#upload-bar");
  const button = form.querySelector("button[type=submit]");

  class Refused extends Error {
    constructor(status, words) {
      super(words);
      this.status = status;
    }
  }
  const sentence = (text, status) => {
    try {
      const { message, reason, hint } = JSON.parse(text);
      return [message, reason, reason ? "" : hint].filter(Boolean).join(" ");
    } catch {
      return status ? `The server answered ${status}.` : "The connection failed.";
    }
  };

  const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const digest = (data) => crypto.subtle.digest("SHA-256", data);
  const cut = (file, number) => file.slice((number - 1) * size, Math.min(number * size, file.size));
  /* One piece is in memory at a time, however long the file is. */
  const hashOf = async (file, pieces, tell) => {
    if (pieces === 1) return hex(await digest(await file.arrayBuffer()));
    const all = new Uint8Array(32 * pieces);
    for (let number = 1; number <= pieces; number++) {
      all.set(new Uint8Array(await digest(await cut(file, number).arrayBuffer())), 32 * (number - 1));
      tell(number / pieces);
    }
    return `${hex(await digest(all))}-${pieces}`;
  };

  const ask = async (path, fields) => {
    const body = fields && new URLSearchParams({ csrf_token: form.elements.csrf_token.value, ...fields });
    let answer;
    try {
      answer = await fetch(path, { method: body ? "POST" : "GET", body, redirect: "error" });
    } catch {
      throw new Refused(0, "The connection failed.");
    }
    const text = await answer.text();
    if (!answer.ok) throw new Refused(answer.status, sentence(text, answer.status));
    return text ? JSON.parse(text) : null;
  };
  const put = ({ url, headers }, number, content, tell) =>
    new Promise((done, failed) => {
      const request = new XMLHttpRequest();
      request.open("PUT", number ? `${url}&piece=${number}` : url);
      /* A browser says by itself how long a body is, and lets nobody else. */
      for (const [name, value] of Object.entries(headers)) if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
      request.upload.onprogress = (event) => tell(event.loaded);
      request.onload = () => (request.status < 300 ? done() : failed(new Refused(request.status, sentence(request.responseText, request.status))));
      request.onerror = () => failed(new Refused(0, "The connection to the store of the files failed."));
      request.send(content);
    });
  const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

  const send = async (file, folder, show) => {
    if (file.size > Number(most)) throw new Refused(413, "The file is larger than files may be.");
    const pieces = Math.max(1, Math.ceil(file.size / size));
    const path = [...folder.split("/").filter(Boolean), file.name].join("/");
    const type = file.type.split(";")[0].trim().toLowerCase() || "application/octet-stream";
    const hash = await hashOf(file, pieces, (part) => show("Reading", part));
    let upload = await ask(home, { path, size_bytes: file.size, content_type: type, hash });
    const one = `${home}/${upload.id}`;
    try {
      for (let number = 1; number <= pieces; number++) {
        const content = cut(file, number);
        const tell = (sent) => show("Sending", file.size ? ((number - 1) * size + sent) / file.size : 1);
        for (let attempt = 1; ; attempt++) {
          try {
            await put(upload.address, pieces > 1 ? number : 0, content, tell);
            break;
          } catch (error) {
            /* An address is for a short while; a network fails and comes back. Anything else stays as it is. */
            if (attempt === 4 || ![0, 403, 429, 502, 503, 504].includes(error.status)) throw error;
            await pause(attempt);
            upload = await ask(one);
            if (!upload.address) break;
          }
        }
      }
      show("Checking", 1);
      await ask(`${one}/complete`, {});
    } catch (error) {
      await ask(`${one}/abandon`, {}).catch(() => null);
      throw error;
    }
  };

  let isAtWork = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = form.elements.file.files[0];
    if (!file || isAtWork) return;
    isAtWork = true;
    button.disabled = true;
    bar.hidden = false;
    said.className = "";
    let shown = "";
    const show = (what, part) => {
      bar.value = part;
      const words = `${what} ${file.name}: ${Math.floor(part * 10) * 10} %`;
      if (words !== shown) said.textContent = shown = words;
    };
    try {
      await send(file, form.elements.folder.value, show);
      said.textContent = `${file.name} is uploaded.`;
      location.assign(back);
    } catch (error) {
      said.className = "wrong";
      said.textContent = `${file.name} was not uploaded. ${error.message}`;
      bar.hidden = true;
      button.disabled = false;
      isAtWork = false;
    }
  });
})();

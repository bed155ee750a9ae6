import { characters, LIMITS } from "./history.js";
import { sendsByEnter } from "./keys.js";

/**
 * Lets the person edit a question where it stands.
 *
 * @param {HTMLElement} place what the form replaces meanwhile
 * @param {string} question
 * @param {(message: string) => void} onSend
 */
export function editQuestion(place, question, onSend) {
  const { content } = document.querySelector("#edit-question");
  const form = document.importNode(content, true).firstElementChild;
  const field = form.querySelector("textarea");
  const send = form.querySelector("[type=submit]");
  const close = () => {
    form.remove();
    place.hidden = false;
    place.querySelector(".edit").focus();
  };
  const message = () => field.value.trim().toWellFormed();
  const isValid = () => message() !== "" && characters(message()) <= LIMITS.messageCharacters;
  const fit = () => {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + 2}px`;
    send.disabled = !isValid();
  };
  field.value = question;
  field.addEventListener("input", fit);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing) {
      // It must not stop an answer, too.
      event.preventDefault();
      close();
    }
    if (!sendsByEnter(event)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.querySelector("[type=button]").addEventListener("click", close);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!isValid()) return;
    close();
    onSend(message());
  });
  place.before(form);
  place.hidden = true;
  fit();
  field.focus();
}

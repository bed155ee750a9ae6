import { newId } from "./api.js";
import { counterText, setSide } from "./composer.js";
import { characters, LIMITS } from "./history.js";
import { onEnter } from "./keys.js";

/**
 * Lets the person edit a question where it stands.
 *
 * @param {HTMLElement} place what the form replaces meanwhile
 * @param {string} text what the edit begins with
 * @param {object} handlers
 * @param {(text: string) => void} handlers.onEdit is told whatever is in the field
 * @param {(message: string | undefined) => void} handlers.onEnd the message is to be sent; none: the edit is given up
 * @returns {HTMLTextAreaElement} the field
 */
export function editQuestion(place, text, { onEdit, onEnd }) {
  const { content } = document.querySelector("#edit-question");
  const form = document.importNode(content, true).firstElementChild;
  const field = form.querySelector("textarea");
  const send = form.querySelector("[type=submit]");
  const counter = form.querySelector(".left");
  // Several questions may be edited at once.
  counter.id = newId();
  field.setAttribute("aria-describedby", counter.id);
  const end = (message) => {
    form.remove();
    place.hidden = false;
    place.querySelector(".edit").focus();
    onEnd(message);
  };
  const message = () => field.value.trim().toWellFormed();
  const excess = () => characters(message()) - LIMITS.messageCharacters;
  const isValid = () => message() !== "" && excess() <= 0;
  const fit = () => {
    setSide(field);
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + 2}px`;
    send.disabled = !isValid();
    counter.textContent = counterText(excess());
    field.ariaInvalid = `${excess() > 0}`;
  };
  field.value = text;
  field.addEventListener("input", () => {
    fit();
    onEdit(field.value);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing) {
      // It must not stop an answer, too.
      event.preventDefault();
      end();
    }
  });
  onEnter(field, () => form.requestSubmit());
  form.querySelector("[type=button]").addEventListener("click", () => end());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (isValid()) end(message());
  });
  place.before(form);
  place.hidden = true;
  fit();
  return field;
}

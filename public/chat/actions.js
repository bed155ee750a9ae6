/**
 * What a person can do with an exchange of the conversation that is shown.
 *
 * @param {object} parts
 * @param {() => import("./conversation.js").Conversation} parts.shown
 * @param {() => import("./transcript.js").Transcript} parts.transcript
 * @param {import("./composer.js").Composer} parts.composer
 * @param {import("./api.js").Api} parts.api
 * @returns {import("./transcript.js").Actions}
 */
export function actionsOn({ shown, transcript, composer, api }) {
  // What was clicked may be gone then.
  const asking =
    (act) =>
    (...args) => {
      act(...args);
      composer.focusUnlessTouch();
    };
  return {
    retry: asking((exchange) => shown().retry(exchange)),
    continueAnswer: asking((exchange) => shown().continueAnswer(exchange)),
    edit: asking((exchange, message) => shown().edit(exchange, message)),
    send: asking((exchange) => shown().send(exchange)),
    saveEdit: (exchange, text) => shown().saveEdit(exchange, text),
    choose(exchange) {
      shown().choose(exchange);
      transcript().reveal(exchange);
    },
    showNewest() {
      shown().showNewest();
      transcript().toEnd();
    },
    takeBack(exchange) {
      shown().takeBack(exchange);
      composer.giveBack(exchange.question);
      composer.focus();
    },
    async signIn(exchange) {
      const conversation = shown();
      if (await api.signIn()) conversation.signedIn(exchange);
    },
  };
}

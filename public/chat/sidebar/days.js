const DAY_MS = 86_400_000;

// A formatter costs more than a hundred of its uses, and a list of a thousand conversations is grouped often.
const MONTH = new Intl.DateTimeFormat("en", { month: "long" });
const MONTH_AND_YEAR = new Intl.DateTimeFormat("en", { month: "long", year: "numeric" });

/**
 * The heading that a conversation is listed under, by the calendar of this device.
 *
 * @param {string} time when it changed last
 * @param {Date} [now]
 */
export function dayOf(time, now = new Date()) {
  const date = new Date(time);
  // A day with a change of the clocks has 23 or 25 hours, so the quotient is rounded.
  const days = Math.round((startOfDay(now) - startOfDay(date)) / DAY_MS);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days <= 7) return "Previous 7 days";
  if (days <= 30) return "Previous 30 days";
  const isThisYear = date.getFullYear() === now.getFullYear();
  return (isThisYear ? MONTH : MONTH_AND_YEAR).format(date);
}

function startOfDay(date) {
  return new Date(date).setHours(0, 0, 0, 0);
}

import { openChannel } from "../channel.js";

/** Reaches the other tabs when somebody signs out in one. */
export const signOutChannel = openChannel("sign-out");

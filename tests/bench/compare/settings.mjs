/** What all contestants are given. */

export const API_KEY = "sk-bench-0123456789abcdefghij";
export const ACCESS_TOKEN = "bench-token-0123456789";

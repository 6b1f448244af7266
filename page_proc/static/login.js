// The login: name and password go by fetch, as everything here does; the cookie that comes back is out of a script's reach.

import { $, fillWords, setText } from "./dom.js";
import { words } from "./words.js";
import { post } from "./api.js";

fillWords();
document.title = words.login_title;
$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  setText($("told"), "");
  const { status, body } = await post("/login", { name: $("name").value, password: $("password").value });
  if (status === 200) location.assign("/");
  else {
    setText($("told"), body.reason || words.asked_wrong(status));
    $("password").select();
  }
});

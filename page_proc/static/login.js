// Log in: by fetch, for the page takes no forms from anywhere.
const form = document.getElementById("login");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(Object.fromEntries(new FormData(form))),
  });
  if (answer.ok) location.replace("/");
  else document.getElementById("why").textContent = (await answer.json()).reason;
});

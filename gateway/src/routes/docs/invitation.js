"use strict";

const form = document.querySelector("form");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const said = document.getElementById("said");
  const body = JSON.stringify({ token: location.hash.slice(1), password: document.getElementById("password").value });
  const headers = { "content-type": "application/json" };
  const answer = await fetch("/api/v1/invitations/accept", { method: "POST", headers, body, credentials: "omit" });
  const told = await answer.json();
  if (answer.ok) {
    form.remove();
    said.textContent = `Welcome, ${told.name}. You can sign in now.`;
  } else {
    said.textContent = told.detail;
  }
});

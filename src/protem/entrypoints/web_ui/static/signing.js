// Approvals that a key signs: the authenticator's challenge is the digest that the page shows.

const says = (form, text) => {
  const line = form.querySelector("[data-sign-says]");
  line.textContent = text;
  line.hidden = false;
};

async function challenge(form) {
  const answer = await fetch(form.dataset.sign, { headers: { accept: "application/json" } });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.detail ?? "the server gave no challenge");
  if (found.digest !== form.elements.digest.value)
    throw new Error("the request was changed; open it again and read what it says now");
  return found.webauthn;
}

async function sign(form) {
  const options = PublicKeyCredential.parseRequestOptionsFromJSON(await challenge(form));
  const credential = await navigator.credentials.get({ publicKey: options });
  form.elements.signature.value = JSON.stringify(credential.toJSON());
}

async function review(event) {
  const form = event.target;
  const button = event.submitter;
  if (button?.value !== "approve" || form.elements.signature.value) return;
  event.preventDefault();
  button.setAttribute("aria-disabled", "true");
  try {
    await sign(form);
    form.requestSubmit(button);
  } catch (error) {
    says(form, `Not signed: ${error.message}`);
    form.elements.signature.value = "";
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

export function signReviews() {
  for (const form of document.querySelectorAll("form[data-sign]"))
    form.addEventListener("submit", review);
}

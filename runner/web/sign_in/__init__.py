"""Sign-in: people in front of a browser, from the page of their issuer to a session and its end.

/sign-in ─▶ issuer ─▶ /sign-in/callback ─▶ session in Redis ─▶ cookie ─▶ caller
              │                                  ▲
              └── back-channel logout ───────────┘ (ends it)
"""

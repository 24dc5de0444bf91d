"""What a Keycloak for tests is made of: its distribution, its realms, and who signs in there."""

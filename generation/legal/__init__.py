"""The pages that the law or a licence asks for: terms, privacy, licences, transparency."""

"""Reports of clips by anybody: submitted, decided by staff with reasons, objected to by whoever made the clip."""

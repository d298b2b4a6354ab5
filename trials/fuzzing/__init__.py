"""Sound files and answers, changed at random where their formats have structure, and the readers that meet them."""

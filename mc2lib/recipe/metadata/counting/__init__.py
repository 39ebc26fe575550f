"""Exact counts of words and of pairs of neighbouring words, at the speed of compiled code.

The rules are those of `mc2lib.recipe.metadata.words`: `count_texts` returns what a `Counter` over `split_clauses`
would. Texts stay UTF-8 bytes. A scanner looks up each code point's class (word, space, mark), words are interned in a
hash table that compares their bytes (a hash alone never decides), and pairs are counted by the ids of their two words
in one 64-bit key.
"""

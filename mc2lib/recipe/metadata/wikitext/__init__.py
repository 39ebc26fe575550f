"""Wiki markup into plain paragraphs: what a reader sees, without templates, tables, references and files.

Two compiled linear passes over the UTF-8 bytes. The first (`nesting`) removes what nests: templates, links, tables
and HTML. It writes every byte once, and a construct that closes takes back what was written since it opened. So
nothing recurses, no text is searched twice, and a construct that never closes stays as text. The second (`lines`)
handles headings, lists, quotes and spaces line by line. Entities are decoded last.
"""

"""Access and portability packages of a state home: gathered from warehouse and store, sealed, handed out, removed.

What goes in and how it is written is `privacy.packages`; here it meets the files, under the writer lock.
"""

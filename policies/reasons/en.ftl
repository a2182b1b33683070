# Sentences that stand beside no Cedar rule. Those of the rules are their @reason annotations.

R-18 = What the item contains and is made from binds it: its label is at least as strict as that of every part and source, and it goes only to whom each source may go.
R-20 = Urgency changes how fast an item travels, never who may have it.
R-21 = Only the originator changes the label of an item, by a new signed version, or cuts a lower version out of it, by two people.
R-22 = The licence that the originator signed does not cover passing the item on to this receiver.
default = No rule permits this, and what no rule permits is denied.
error = The question could not be evaluated without error, so the answer is no.
no-recorded-decision = The record of the decision cannot be found, and nothing is sent without it.
no-reason = Rule { $rule } applies, and its author has given no reason.

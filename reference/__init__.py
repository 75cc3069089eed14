"""Write what is generated from the code for people: reference pages and the shipped rules file."""

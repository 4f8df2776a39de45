"""Requests answered: taken, refused or worked on, decided once, carried out."""

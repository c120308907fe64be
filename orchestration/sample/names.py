"""First and last names of many origins, put together at random: nobody real is meant."""

from __future__ import annotations

import unicodedata

import numpy as np

_FIRST = """
Aarav Abena Adaeze Agnieszka Ahmed Aiko Aisha Alasdair Alejandra Alice Amara Amit Ana Anders
Andrei Anjali Arjun Astrid Ayşe Beatriz Ben Bronwen Carlos Catriona Chidi Chloé Ciara Dafydd
Daniela Deepa Dmitri Dorota Eilidh Elena Elif Emeka Emma Erik Fatima Femi Fergus Fiona Gareth
Giulia Grace Hana Hannah Harpreet Hassan Hiroshi Ibrahim Ingrid Ioana Isla Ivan Jamal Jana
Jasmine João Jonas Kamal Karolina Keiko Kofi Kwame Lakshmi Lars Leila Liam Linh Lucía Mairi
Malik Marek Maria Marta Mei Mehmet Michael Miriam Mohammed Nadia Naomi Ngozi Niamh Nikhil Nour
Olga Oliver Olumide Omar Owen Parveen Paulo Peter Petra Priya Rajesh Rebecca Rhys Rosa Ruth
Samira Sana Sean Siobhán Sofia Stefan Sunita Tariq Teresa Thandiwe Thomas Tomasz Uche Valentina
Victor Wei Wiktor Yasmin Yusuf Zainab Zoë
"""
_LAST = """
Abbott Achebe Adeyemi Ahmed Ali Almeida Andersson Appiah Ashworth Bailey Banerjee Barnes Begum
Bennett Bergström Bianchi Boateng Bowen Brennan Byrne Carvalho Chan Chaudhry Chowdhury Clarke
Collins Costa Cruz Dahl Davies Delgado Demir Desai Dhillon Diallo Doherty Dubois Edwards
Eriksen Evans Fernandes Fischer Fletcher Foster Fraser Gallagher García Gill Goldberg Gomes
Grant Gupta Haddad Hall Hansen Hassan Hayes Herrera Hill Hoang Holm Hughes Hussain Ibrahim
Ivanova Iyer Jackson Jain Jansen Jones Joshi Kamara Kaplan Kaur Kelly Khalil Khan Kim Kovács
Kowalski Kumar Lambert Larsen Lewis Lindqvist Lopes MacLeod Mahmood Malik Marino Martins Mbeki
McKenzie Mehta Mensah Molnár Moreau Morgan Mukherjee Müller Murphy Mwangi Nair Nakamura Ndlovu
Nguyen Novak Nowak Nwosu O'Brien O'Connor Okafor Okonkwo Oliveira Osman Owusu Papadopoulos
Park Patel Pereira Petrov Phillips Popescu Price Qureshi Rahman Ramos Rao Reid Reyes Ricci
Roberts Rossi Sahin Sato Schmidt Shah Sharma Silva Singh Smith-Reyes Stewart Suzuki Svensson
Tanaka Taylor Thapa Thomas Tran Turner Usman Vargas Vega Virtanen Walker Walsh Wang Watanabe
Weber Williams Wilson Wójcik Wong Wright Yadav Yilmaz Young Zhang Zhou Zielińska
"""
_PLAIN = str.maketrans({"\u0131": "i", "\u0142": "l", "\u0141": "L", "\u00f8": "o"})
"""Letters that have no accent to take off: dotless i, the Polish l, the Danish o."""
FIRST_NAMES, LAST_NAMES = tuple(_FIRST.split()), tuple(_LAST.split())


def full_names(count: int, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Draw ``count`` full names and the unique mail names (before the @) that go with them."""
    first = rng.integers(0, len(FIRST_NAMES), count)
    last = rng.integers(0, len(LAST_NAMES), count)
    names, mailboxes = [], []
    seen: dict[str, int] = {}
    for f, s in zip(first.tolist(), last.tolist(), strict=True):
        name = f"{FIRST_NAMES[f]} {LAST_NAMES[s]}"
        mailbox = _ascii(f"{FIRST_NAMES[f]}.{LAST_NAMES[s]}")
        seen[mailbox] = seen.get(mailbox, 0) + 1
        names.append(name)
        mailboxes.append(mailbox if seen[mailbox] == 1 else f"{mailbox}{seen[mailbox]}")
    return names, mailboxes


def _ascii(text: str) -> str:
    plain = text.translate(_PLAIN)
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    return plain.replace("'", "").lower()
